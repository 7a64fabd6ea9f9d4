package debimage

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"sigs.k8s.io/yaml"
)

// The bases that a recipe can name.
const (
	BaseDebian = "debian" // Debian or Ubuntu, whatever the host is
	BaseAlpine = "alpine" // a minirootfs archive, or a stand-in for it
)

// RecipeFile is the name of the recipe in an example's directory.
const RecipeFile = "image.yaml"

// Recipe says what an image is made of.
type Recipe struct {
	Name     string   `json:"name"`
	Base     string   `json:"base"`               // BaseDebian (the default) or BaseAlpine
	Suite    string   `json:"suite,omitempty"`    // release code name; default: the host's
	Packages []string `json:"packages,omitempty"` // the second layer, Debian only
	Locales  []string `json:"locales,omitempty"`  // made in the second layer, such as de_DE.UTF-8; needs the package locales

	// Program is a Go main package, relative to the recipe, that is built as a
	// static program and becomes Target in the image, in a layer of its own.
	Program string `json:"program,omitempty"`
	Target  string `json:"target,omitempty"`

	// Root is a directory, relative to the recipe, whose files are the last
	// layer, owned by root.
	Root   string    `json:"root,omitempty"`
	Config v1.Config `json:"config"`
}

// localeName matches names of locales with a territory and a character set.
var localeName = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}\.[A-Z0-9-]+$`)

// packageName matches Debian package names (Debian policy, 5.6.1).
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// ReadRecipe reads the recipe of the example directory dir. Unknown fields are
// errors.
func ReadRecipe(dir fs.FS) (Recipe, error) {
	data, err := fs.ReadFile(dir, RecipeFile)
	if err != nil {
		return Recipe{}, fmt.Errorf("reading the recipe: %w", err)
	}
	var r Recipe
	if err := yaml.UnmarshalStrict(data, &r); err != nil {
		return Recipe{}, fmt.Errorf("reading the recipe %s: %w", RecipeFile, err)
	}
	if r.Base == "" {
		r.Base = BaseDebian
	}
	return r, r.validate()
}

// validate reports the first field that cannot be built.
func (r Recipe) validate() error {
	if !packageName.MatchString(r.Name) {
		return fmt.Errorf("recipe: name %q: want lower-case letters, digits and dashes", r.Name)
	}
	if r.Base != BaseDebian && r.Base != BaseAlpine {
		return fmt.Errorf("recipe %s: base %q: want %s or %s", r.Name, r.Base, BaseDebian, BaseAlpine)
	}
	if r.Base == BaseAlpine && len(r.Packages) > 0 {
		return fmt.Errorf("recipe %s: packages: only a %s base can install any", r.Name, BaseDebian)
	}
	for _, p := range r.Packages {
		if !packageName.MatchString(p) {
			return fmt.Errorf("recipe %s: packages: %q is no package name", r.Name, p)
		}
	}
	for _, l := range r.Locales {
		if !localeName.MatchString(l) {
			return fmt.Errorf("recipe %s: locales: %q: want a name such as de_DE.UTF-8", r.Name, l)
		}
	}
	if len(r.Locales) > 0 && !slices.Contains(r.Packages, "locales") {
		return fmt.Errorf("recipe %s: locales: they are made by the package locales, which is not in it", r.Name)
	}
	if (r.Program == "") != (r.Target == "") {
		return fmt.Errorf("recipe %s: program and target go together", r.Name)
	}
	if r.Target != "" && !path.IsAbs(r.Target) {
		return fmt.Errorf("recipe %s: target %q: want an absolute path", r.Name, r.Target)
	}
	for _, p := range []string{r.Program, r.Root} {
		if p != "" && !fs.ValidPath(p) {
			return fmt.Errorf("recipe %s: %q: want a path below the recipe", r.Name, p)
		}
	}
	return nil
}
