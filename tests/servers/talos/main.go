// talos-config makes a Talos machine configuration, and reads one as Talos does.
//
//	talos-config generate      a new machine configuration of a control-plane node
//	talos-config check FILE    the issuers of its API server, a line each; fails if Talos refuses it
package main

import (
	"fmt"
	"os"

	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
)

func main() {
	err := fmt.Errorf("usage: talos-config generate | check FILE")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "generate":
		err = generated()
	case len(os.Args) == 3 && os.Args[1] == "check":
		err = check(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func generated() error {
	input, err := generate.NewInput("prod", "https://10.5.0.2:6443", "1.34.4", generate.WithInstallDisk("/dev/sda"))
	if err != nil {
		return err
	}
	config, err := input.Config(machine.TypeControlPlane)
	if err != nil {
		return err
	}
	bytes, err := config.EncodeBytes(encoder.WithComments(encoder.CommentsAll))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(bytes)
	return err
}

func check(file string) error {
	config, err := configloader.NewFromFile(file)
	if err != nil {
		return err
	}
	warnings, err := config.Validate(metal{})
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	for _, issuer := range config.Cluster().APIServer().ExtraArgs()["service-account-issuer"] {
		fmt.Println(issuer)
	}
	return nil
}

// metal is the mode of a machine of its own.
type metal struct{}

func (metal) String() string        { return "metal" }
func (metal) RequiresInstall() bool { return true }
func (metal) InContainer() bool     { return false }
