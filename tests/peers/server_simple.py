# The course's section 2, its server. Mended: `infoClient` and `infosClient` are one
# name. For the tests: the port is an argument, it is printed, and on this machine alone.
import socket
import sys

serveur = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
serveur.bind(("127.0.0.1", int(sys.argv[1])))
serveur.listen(5)
print(serveur.getsockname()[1])

while True:
    client, infosClient = serveur.accept()
    print("Client connecté, adresse : " + infosClient[0])

    requete = client.recv(255)
    print(requete.decode("utf-8"))

    reponse = "Bonjour, je suis le serveur"
    client.send(reponse.encode("utf-8"))

    print("Connexion fermée")
    client.close()
