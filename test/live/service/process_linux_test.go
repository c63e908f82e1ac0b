package service

import "syscall"

// endWithParent makes the kernel end a child even when the tests are killed.
var endWithParent = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
