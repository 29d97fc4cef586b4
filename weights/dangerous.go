package weights

import (
	"fmt"
	"path"
	"strings"
)

// dangerous are patterns of Python names that no weight file needs and that an attack on
// the loaders of other programs would call. Nothing is called here; but a file that names
// one was made to do harm, and its numbers are not to be believed either.
var dangerous = byModule(
	"os.system", "os.popen*", "os.exec*", "os.spawn*", "os.posix_spawn*", "os.startfile", "os.fork*", "os.kill*",
	"os.remove*", "os.unlink", "os.rmdir", "os.rename*", "os.putenv", "shutil.rmtree", "shutil.move", "shutil.copy*",
	"subprocess.*", "commands.get*output", "popen2.popen*", "pty.spawn", "webbrowser.open*", "socket.*", "ctypes.*",
	"builtins.eval", "builtins.exec", "builtins.execfile", "builtins.compile", "builtins.open", "builtins.__import__",
	"builtins.breakpoint", "builtins.input", "io.open", "_io.open", "pickle.loads", "_pickle.loads", "marshal.loads",
	"runpy.run_*", "code.interact", "code.Interactive*", "pdb.run*", "timeit.timeit", "timeit.repeat", "types.CodeType",
	"types.FunctionType", "importlib.import_module", "imp.load_*", "pip.main", "urllib.request.url*", "requests.get",
	"requests.post", "http.client.HTTP*Connection", "torch.hub.load*",
)

// byModule groups patterns by what is before the first dot.
func byModule(patterns ...string) map[string][]string {
	m := map[string][]string{}
	for _, p := range patterns {
		module, _, _ := strings.Cut(p, ".")
		m[module] = append(m[module], p)
	}
	return m
}

// moduleNames are other names of the same modules.
var moduleNames = map[string]string{"posix": "os", "nt": "os", "__builtin__": "builtins"}

// checkGlobals refuses a file that refers to a dangerous name.
func checkGlobals(names []string) error {
	for _, name := range names {
		module, rest, _ := strings.Cut(name, ".")
		if usual, ok := moduleNames[module]; ok {
			module = usual
		}
		for _, pattern := range dangerous[module] {
			if ok, _ := path.Match(pattern, module+"."+rest); ok {
				return fmt.Errorf("refers to %s, which no weights need and an attack would call; nothing was run here: "+
					"do not load this file with Python, ask for a .safetensors", quote(name))
			}
		}
	}
	return nil
}
