// A registry in memory that lists what hangs on an image: go-containerregistry's, which leaves out the header
// OCI-Subject and names the type of the configuration as the kind of a thing.
//
//	go run . ADDRESS
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: referrers ADDRESS")
		os.Exit(2)
	}
	quiet := log.New(io.Discard, "", 0)
	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(quiet))
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], handler))
	os.Exit(1)
}
