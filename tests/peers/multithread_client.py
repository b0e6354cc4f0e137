# The course's section 4', its client. Mended: the colon after `while`, the quotes of
# "utf-8". For the tests: host and port are arguments.
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
