// Renders a chart as Helm does, by the packages that Helm stands on: Go's templates, sprig and sigs.k8s.io/yaml. It reads
// {"chart": folder, "releases": [{"name", "namespace", "values"}]} from stdin, and writes a list of
// {"values", "files": {name: text}, "error"} to stdout.
//
// As with `helm lint --strict`, a template that reads a value which is not there is an error.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type values = map[string]interface{}

type release struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Values    values `json:"values"`
}

type rendered struct {
	Values values            `json:"values"`
	Files  map[string]string `json:"files"`
	Error  string            `json:"error"`
}

// The fields of Chart.yaml that templates may read, by Helm's names.
type chart struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	AppVersion string `json:"appVersion"`
}

func main() {
	var input struct {
		Chart    string    `json:"chart"`
		Releases []release `json:"releases"`
	}
	must(json.NewDecoder(os.Stdin).Decode(&input))
	outputs := []rendered{}
	for _, one := range input.Releases {
		outputs = append(outputs, render(input.Chart, one))
	}
	must(json.NewEncoder(os.Stdout).Encode(outputs))
}

func render(folder string, of release) rendered {
	merged := merge(readYaml(filepath.Join(folder, "values.yaml")), of.Values)
	files, err := carryOut(folder, of, merged)
	if err != nil {
		return rendered{Values: merged, Error: err.Error()}
	}
	return rendered{Values: merged, Files: files}
}

func carryOut(folder string, of release, merged values) (map[string]string, error) {
	var about chart
	must(yaml.Unmarshal(read(filepath.Join(folder, "Chart.yaml")), &about))
	all := template.New("").Option("missingkey=error")
	all.Funcs(functions(all))
	names := []string{}
	for _, pattern := range []string{"*.yaml", "*.tpl", "*.txt"} {
		paths, err := filepath.Glob(filepath.Join(folder, "templates", pattern))
		must(err)
		for _, path := range paths {
			name := about.Name + "/templates/" + filepath.Base(path)
			if _, err := all.New(name).Parse(string(read(path))); err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	files := map[string]string{}
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), "_") {
			continue
		}
		var text bytes.Buffer
		top := values{
			"Chart":  about,
			"Values": merged,
			"Release": values{
				"Name": of.Name, "Namespace": of.Namespace, "Service": "Helm",
				"Revision": 1, "IsInstall": true, "IsUpgrade": false,
			},
			"Template": values{"Name": name, "BasePath": about.Name + "/templates"},
		}
		if err := all.ExecuteTemplate(&text, name, top); err != nil {
			return nil, err
		}
		files[filepath.Base(name)] = text.String()
	}
	return files, nil
}

// The functions of sprig but for those that read the environment, and those that Helm adds.
func functions(all *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	delete(known, "env")
	delete(known, "expandenv")
	known["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := all.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	known["tpl"] = func(source string, data interface{}) (string, error) {
		one, err := all.Clone()
		if err != nil {
			return "", err
		}
		if _, err := one.New("tpl").Parse(source); err != nil {
			return "", err
		}
		var text bytes.Buffer
		err = one.ExecuteTemplate(&text, "tpl", data)
		return text.String(), err
	}
	known["required"] = func(message string, value interface{}) (interface{}, error) {
		if text, isText := value.(string); value == nil || isText && text == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	known["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	known["fromYaml"] = parse
	known["fromJson"] = parse
	return known
}

// A text that cannot be read becomes an Error, and does not end the rendering. JSON is YAML.
func parse(text string) values {
	value := values{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		value["Error"] = err.Error()
	}
	return value
}

// A null takes a value away.
func merge(defaults, given values) values {
	merged := values{}
	for key, value := range defaults {
		merged[key] = value
	}
	for key, value := range given {
		below, isMap := merged[key].(values)
		map_, both := value.(values)
		switch {
		case value == nil:
			delete(merged, key)
		case isMap && both:
			merged[key] = merge(below, map_)
		default:
			merged[key] = value
		}
	}
	return merged
}

func readYaml(path string) values {
	value := values{}
	must(yaml.Unmarshal(read(path), &value))
	return value
}

func read(path string) []byte {
	text, err := os.ReadFile(path)
	must(err)
	return text
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
