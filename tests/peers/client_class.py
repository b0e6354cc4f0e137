# The course's section 3, its client class. Mended: the missing imports, AF_NET,
# "uft-8". For the tests: the port is an argument. All else is the course's.
import socket
import sys
from datetime import datetime


class ClientSocket:
    def __init__(self, sock=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def connect(self, host, port):
        self.sock.connect((host, port))
        print("Connecté au serveur :", host, port)

    def mysend(self, message):
        self.sock.send(message.encode("utf-8"))

    def myreceive(self):
        reponse = self.sock.recv(255)
        print(reponse.decode("utf-8"))

    def dysconnect(self):
        print("Connexion fermée")
        self.sock.close()


if __name__ == "__main__":
    msoc = ClientSocket()
    msoc.connect("127.0.0.1", int(sys.argv[1]))
    msoc.mysend("Bonjour du client TCP" + str(datetime.now()))
    msoc.myreceive()
    msoc.dysconnect()
