package harden

import (
	"path"
	"strings"
)

// isSBOM tells software bills of materials by the names and places that their
// makers give them: SPDX and CycloneDX documents, those of apko in
// var/lib/db/sbom, those of Bitnami below opt/bitnami.
func isSBOM(name string) bool {
	base := path.Base(name)
	for _, suffix := range []string{".spdx", ".spdx.json", ".spdx.rdf", ".spdx.yaml", ".spdx.yml", ".cdx.json", ".cdx.xml", ".cyclonedx.json"} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	switch base {
	case "sbom.json", "sbom.xml", "bom.json", "bom.xml":
		return true
	}
	dirName := path.Dir(name)
	return path.Base(dirName) == "sbom" && (strings.HasSuffix(base, ".json") || strings.HasSuffix(base, ".xml"))
}

// barSBOMs marks the bills of materials where the policy drops them.
func (p *planner) barSBOMs() {
	if p.pol.SBOM != DropSBOM {
		return
	}
	m := &matcher{rule: Rule{Do: DoDrop, From: p.policyName()}, text: p.policyName() + " (sbom: drop)"}
	for _, f := range p.order {
		if !f.barred && f.class == data && isSBOM(f.path) {
			p.forbid(f, m, Reason{Kind: DropRule, Note: m.text})
		}
	}
}

func (p *planner) policyName() string {
	if p.pol.File == nil {
		return "the policy"
	}
	return p.pol.File.Name
}

// tellSBOMs reports the bills of materials that stay although something goes:
// they list what the image held before.
func (p *planner) tellSBOMs() {
	goes := false
	for _, f := range p.order {
		goes = goes || !f.kept && f.class != dir
	}
	for _, f := range p.order {
		if goes && f.kept && f.class == data && isSBOM(f.path) {
			p.note("stale-sbom", f.path, "this bill of materials stays and lists what the image held before; a scanner that reads it reports what is gone (sbom: drop in a policy drops it)")
		}
	}
}
