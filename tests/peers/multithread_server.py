# The course's section 4', its server. Mended: the colon after `while`, `adressIP`, the
# two spellings of `infoClient`, `threading.Threading`. For the tests: host and port are
# arguments, and the address is printed.
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
