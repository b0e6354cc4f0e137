// Go's usual server: a goroutine for each client, buffers on both sides. What is
// answered leaves when no whole message is left to read, in one write.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
)

func handle(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	writer := bufio.NewWriter(conn)
	for {
		line, err := reader.ReadSlice('\n')
		message := string(line)
		for err == bufio.ErrBufferFull && len(message) < 64*1024 {
			line, err = reader.ReadSlice('\n')
			message += string(line)
		}
		if len(message) > 0 {
			writer.WriteString("Message reçu\n")
		}
		if err != nil || strings.EqualFold(strings.TrimSpace(message), "FIN") {
			break
		}
		waiting, _ := reader.Peek(reader.Buffered())
		if bytes.IndexByte(waiting, '\n') < 0 && writer.Flush() != nil {
			return
		}
	}
	writer.Flush()
	conn.(*net.TCPConn).CloseWrite()
	// To close with bytes unread would reset the connection, answers and all.
	io.Copy(io.Discard, reader)
}


func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	for {
		conn, err := listener.Accept()
		if err == nil {
			go handle(conn)
		}
	}
}
