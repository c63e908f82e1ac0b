//go:build !linux

package service

import "syscall"

var endWithParent *syscall.SysProcAttr
