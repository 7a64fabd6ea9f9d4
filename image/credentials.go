package image

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// loginFile is the part of a docker or podman login file that says where
// credentials come from; it holds no secret.
type loginFile struct {
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// maxLoginFile bounds what is read of a login file.
const maxLoginFile = 4 << 20

// credentialSource describes, for errors, where the credentials for reg come
// from when authn.DefaultKeychain finds them, without showing any.
func credentialSource(reg name.Registry, auth authn.Authenticator, env func(string) string) string {
	file := findLoginFile(env)
	switch {
	case file == "":
		return "no credentials: there is no docker or podman login file"
	case auth == authn.Anonymous:
		return fmt.Sprintf("no credentials for %s in %s", reg.RegistryStr(), file)
	}
	if helper := credentialHelper(reg, file); helper != "" {
		return fmt.Sprintf("credentials of docker-credential-%s, named in %s", helper, file)
	}
	return "credentials of " + file
}

// findLoginFile looks where authn.DefaultKeychain does.
func findLoginFile(env func(string) string) string {
	var candidates []string
	if dir := env("DOCKER_CONFIG"); dir != "" {
		candidates = append(candidates, filepath.Join(dir, "config.json"))
	}
	if home := env("HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, ".docker", "config.json"))
	}
	if file := env("REGISTRY_AUTH_FILE"); file != "" {
		candidates = append(candidates, file)
	}
	if dir := env("XDG_RUNTIME_DIR"); dir != "" {
		candidates = append(candidates, filepath.Join(dir, "containers", "auth.json"))
	}
	for _, c := range candidates {
		if fi, err := os.Stat(c); err == nil && !fi.IsDir() {
			return c
		}
	}
	return ""
}

func credentialHelper(reg name.Registry, file string) string {
	fi, err := os.Stat(file)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxLoginFile {
		return ""
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	var login loginFile
	if json.Unmarshal(raw, &login) != nil {
		return ""
	}
	key := reg.RegistryStr()
	if key == name.DefaultRegistry {
		key = authn.DefaultAuthKey
	}
	if h, ok := login.CredHelpers[key]; ok {
		return h
	}
	return login.CredsStore
}
