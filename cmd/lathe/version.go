package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(env *environment, g *global) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		Long: `Print the version of lathe, of Go and of the platform it was built for.

  lathe version
  lathe version --format json`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if g.format == "json" {
				return json.NewEncoder(env.stdout).Encode(map[string]string{
					"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(env.stdout, "lathe %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
