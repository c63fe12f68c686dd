// Command lambda is a function for the provided runtimes that speaks the
// runtime API itself: it answers with what it was given, and fails as it is
// told.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			os.Exit(1)
		}
		event, _ := io.ReadAll(next.Body)
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		var in struct{ Do, File string }
		_ = json.Unmarshal(event, &in)
		answer, where := []byte(fmt.Sprintf(`{"event":%s,"pid":%d,"arn":%q,"handler":%q}`, event, os.Getpid(), next.Header.Get("Lambda-Runtime-Invoked-Function-Arn"), os.Getenv("_HANDLER"))), "response"
		switch in.Do {
		case "exit":
			os.Exit(3)
		case "sleep":
			time.Sleep(time.Hour)
		case "wait": // until there is a file
			for _, err := os.Stat(in.File); err != nil; _, err = os.Stat(in.File) {
				time.Sleep(5 * time.Millisecond)
			}
		case "child": // a process that outlives this one's death, unless its group is ended
			child := exec.Command("sleep", "3600")
			if err := child.Start(); err != nil {
				os.Exit(4)
			}
			answer = []byte(fmt.Sprintf(`{"child":%d,"pid":%d}`, child.Process.Pid, os.Getpid()))
		case "daemon": // a process in a session of its own, which holds on to the output; this one hangs
			child := exec.Command("sleep", "60")
			child.Stdout, child.SysProcAttr = os.Stdout, &syscall.SysProcAttr{Setsid: true}
			if err := child.Start(); err != nil {
				os.Exit(4)
			}
			_ = os.WriteFile(in.File, []byte(fmt.Sprint(child.Process.Pid)), 0o600)
			time.Sleep(time.Hour)
		case "fail":
			answer, where = []byte(`{"errorType":"Oops","errorMessage":"as told"}`), "error"
		case "large":
			answer = []byte(`"` + strings.Repeat("x", 7<<20) + `"`)
		}
		fmt.Println("did", in.Do)
		posted, err := http.Post(api+id+"/"+where, "application/json", bytes.NewReader(answer))
		if err != nil {
			os.Exit(1)
		}
		_ = posted.Body.Close()
	}
}
