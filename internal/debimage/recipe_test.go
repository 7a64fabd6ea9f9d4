package debimage

import (
	"os"
	"strings"
	"testing"
)

func TestReadRecipe(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, recipe, wantErr string }{
		{"the least", "name: web\n", ""},
		{"everything", "name: web\nbase: debian\nsuite: trixie\npackages: [g++, libc6]\nprogram: cmd/a\ntarget: /a\nroot: root\nconfig: {Cmd: [a]}\n", ""},
		{"an unknown field", "name: web\nlayers: 3\n", "layers"},
		{"an unknown field of the config", "name: web\nconfig: {Command: [a]}\n", "Command"},
		{"no name", "base: debian\n", "name"},
		{"an unknown base", "name: web\nbase: arch\n", `"arch"`},
		{"packages on Alpine", "name: web\nbase: alpine\npackages: [curl]\n", "packages"},
		{"an option as a package", "name: web\npackages: [--hook]\n", `"--hook"`},
		{"packages with a comma", "name: web\npackages: ['a,b']\n", `"a,b"`},
		{"locales", "name: web\npackages: [locales]\nlocales: [de_DE.UTF-8, pt_BR.ISO-8859-1]\n", ""},
		{"an option as a locale", "name: web\npackages: [locales]\nlocales: ['de_DE.UTF-8; id']\n", `"de_DE.UTF-8; id"`},
		{"locales without what makes them", "name: web\nlocales: [de_DE.UTF-8]\n", "package locales"},
		{"a program without a target", "name: web\nprogram: a\n", "go together"},
		{"a relative target", "name: web\nprogram: a\ntarget: b\n", "absolute"},
		{"a root above", "name: web\nroot: ../x\n", `"../x"`},
		{"no recipe", "", "image.yaml"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{RecipeFile: test.recipe}
			if test.recipe == "" {
				files = nil
			}
			r, err := ReadRecipe(textFS(files))
			switch {
			case test.wantErr == "" && err != nil:
				t.Fatal(err)
			case test.wantErr == "" && r.Base != BaseDebian:
				t.Errorf("base %q, want %q", r.Base, BaseDebian)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("got %v, want an error that names %s", err, test.wantErr)
			}
		})
	}
}

// TestExamples reads the recipes that are shipped.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nginx", "python", "goserver"} {
		r, err := ReadRecipe(os.DirFS("../../examples/" + name))
		if err != nil {
			t.Error(err)
		}
		if r.Name != name || len(r.Config.Entrypoint) == 0 || len(r.Config.ExposedPorts) != 1 {
			t.Errorf("%s: incomplete recipe: %+v", name, r)
		}
	}
}
