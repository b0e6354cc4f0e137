// Go's usual server: a goroutine for each client, buffers on both sides. What is
// answered leaves when no whole message is left to read, in one write.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
)

func handle(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	writer := bufio.NewWriter(conn)
	for {
		_, err := reader.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			continue // A part of a long message.
		}
		if err != nil {
			break
		}
		writer.WriteString("Message reçu\n")
		waiting, _ := reader.Peek(reader.Buffered())
		if bytes.IndexByte(waiting, '\n') < 0 && writer.Flush() != nil {
			return
		}
	}
	writer.Flush()
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
