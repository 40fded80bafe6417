// Package store keeps what lasts of Rooms: File in files of this machine, one
// per Room; Redis shares the Rooms of several Nodes, with a File in front.
//
// An Entry that Append has returned for survives the end of the process, however
// it ends. Within a second it survives the end of the machine, too.
package store
