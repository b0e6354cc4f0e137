"""Section 2 of the course, its server, run against the scripts with --raw.

Mended: `infoClient` and `infosClient` are one name; the port comes from the command
line, and the server listens to this machine alone. The rest is the course's.
"""
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
