# The course's section 5, its server. Mended: the colon after `if`, `.decode`, `str()`
# around the port. For the tests: host and port are arguments, and the port is printed.
# The forced turns and the bugs are the course's.
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
#Création du socket
mySocket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
try: #Liaison du socket à une adresse et un port
	mySocket.bind((host,port))
except socket.error:
	print("La liason du socket à échoué ! ")
	sys.exit()
while 1 :
	print("Serveur prêt, en attente de requêtes")
	mySocket.listen(5)
	print("Port "+str(mySocket.getsockname()[1]))
	connexion, adresse = mySocket.accept()
	print("Client connecté, adresse IP "+ adresse[0]+ "port "+str(adresse[1]))
	s = "Vous êtes connecté au serveur, envoyez vos messages"
	connexion.send(s.encode("utf-8"))
	message_client = connexion.recv(1024)
	while 1 :
		print("Client"+message_client.decode("utf-8"))
		if message_client.decode("utf-8").upper() == "FIN":
			break
		message_serveur = input("Serveur >> ")
		connexion.send(message_serveur.encode('utf-8'))
		message_client = connexion.recv(1024)
	# Fermeture de la connexion
	connexion.send("Au revoir".encode('utf-8'))
	print("CONNEXION INTERROMPUE")
	connexion.close()
