// Command etcd is the etcd server under its usual name: built as a tool, etcd's own main package would become "server".
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
