# The course's section "Serveur MultiThread", client side, as it stands there but for:
# - mended: the colon after `while`, and the quotes of "utf-8" in the last `decode`;
# - from sys.argv: host and port, in place of 127.0.0.1 and 50000.
import socket
import sys

adresseIP = sys.argv[1]
port = int(sys.argv[2])
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((adresseIP, port))
print("Connecté au serveur")
print("Tapez FIN pour terminer la conversation")

message = ""
while message.upper() != "FIN":
    message = input(">> ")
    client.send(message.encode("utf-8"))
    reponse = client.recv(255)
    print(reponse.decode("utf-8"))
print("Connexion fermée")
client.close()
