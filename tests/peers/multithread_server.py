# The course's section "Serveur MultiThread", server side, as it stands there but for:
# - mended: the colon after `while`; `adressIP` and the two spellings of `infoClient`;
#   `threading.Threading`, which is `threading.Thread`;
# - from sys.argv: host and port, where the course listens everywhere on 50000;
# - added: one line that prints the address, since port 0 takes a free one.
import socket
import sys
import threading

threadsClients = []


def instanceServeur(client, infoClient):

    adresseIp = infoClient[0]
    port = str(infoClient[1])
    print("Instance de serveur prêt pour " + adresseIp + " : " + port)
    message = ""

    while message.upper() != "FIN":
        message = client.recv(255).decode("utf-8")
        print("Message recu du client " + adresseIp + " : " + message)
        client.send("Message recu".encode("utf-8"))

    print("Connexion fermée avec " + adresseIp + " : " + port)
    client.close()


serveur = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
serveur.bind((sys.argv[1], int(sys.argv[2])))
serveur.listen(4)
print("%s:%d" % serveur.getsockname())

while True:
    client, infoClient = serveur.accept()
    threadsClients.append(
        threading.Thread(None, instanceServeur, None, (client, infoClient), {})
    )
    threadsClients[-1].start()

serveur.close()
