# The course's section 5, its client. Mended: the colon after `if`, "mySocekt". For the
# tests: host and port are arguments. The forced turns and the bugs are the course's.
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
#Création du socket
mySocket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
try: #Liaison du socket à une adresse et un port
	mySocket.connect((host,port))
except socket.error:
	print("Connexion échoué ! ")
	sys.exit()
print("CONNEXION ETABLIE AVEC LE SERVEUR")
message_serveur = mySocket.recv(1024)
while 1:
	if message_serveur.decode("utf-8").upper() == 'FIN':
		break
	print('Server>> ',message_serveur.decode("utf-8"))
	message_client = input("Client >> ")
	mySocket.send(message_client.encode("utf-8"))
	message_serveur = mySocket.recv(1024)
print("Connexion interrompue")
mySocket.close()
