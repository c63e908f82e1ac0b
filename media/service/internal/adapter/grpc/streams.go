package grpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// endStreams ends the health watches and reflection streams when stopping does.
// They never end by themselves and would hold up a stop for as long as it may
// take. Streams of this service's own may finish.
func endStreams(stopping context.Context) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if !strings.HasPrefix(info.FullMethod, "/grpc.") {
			return handler(server, stream)
		}
		ctx, cancel := context.WithCancel(stream.Context())
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		return handler(server, &endingStream{stream, ctx})
	}
}

type endingStream struct {
	grpc.ServerStream

	ctx context.Context //nolint:containedctx // what Context returns
}

// Context implements grpc.ServerStream.
func (s *endingStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream. One that waits when the stream ends
// comes back as soon as the handler has returned.
func (s *endingStream) RecvMsg(m any) error {
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(m) }()
	select {
	case err := <-received:
		return err
	case <-s.ctx.Done():
		return status.Error(codes.Unavailable, "the service is stopping")
	}
}
