package service

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// remote calls a gRPC API that it knows from the server's own description.
type remote struct {
	t     *testing.T
	conn  *grpc.ClientConn
	files *protoregistry.Files
}

func dial(t *testing.T, p *process, symbol string) *remote {
	t.Helper()
	conn, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	described, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) { // an open stream would hold up a stop
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, raw := range described.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(raw, file); err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	return &remote{t, conn, files}
}

// call calls a method by its full name, with and to JSON.
func (r *remote) call(method string, in object) (object, error) {
	r.t.Helper()
	found, err := r.files.FindDescriptorByName(protoreflect.FullName(method))
	if err != nil {
		r.t.Fatal(err)
	}
	descriptor := found.(protoreflect.MethodDescriptor)
	text, err := json.Marshal(in)
	if err != nil {
		r.t.Fatal(err)
	}
	ask, answer := dynamicpb.NewMessage(descriptor.Input()), dynamicpb.NewMessage(descriptor.Output())
	if err := protojson.Unmarshal(text, ask); err != nil {
		r.t.Fatal(err)
	}
	last := strings.LastIndexByte(method, '.')
	if err := r.conn.Invoke(r.t.Context(), "/"+method[:last]+"/"+method[last+1:], ask, answer); err != nil {
		return nil, err
	}
	if text, err = protojson.Marshal(answer); err != nil {
		r.t.Fatal(err)
	}
	out := object{}
	return out, json.Unmarshal(text, &out)
}

// must is call for calls that must succeed; it returns the named field.
func (r *remote) must(method, field string, in object) object {
	r.t.Helper()
	out, err := r.call(method, in)
	if err != nil {
		r.t.Fatalf("%s: %v", method, err)
	}
	return out[field].(map[string]any)
}

// wantCode checks a failed call's status and returns its first detail.
func (r *remote) wantCode(want codes.Code, method string, in object) any {
	r.t.Helper()
	_, err := r.call(method, in)
	if status.Code(err) != want {
		r.t.Fatalf("%s: %v, want %s", method, err, want)
	}
	if details := status.Convert(err).Details(); len(details) > 0 {
		return details[0]
	}
	return nil
}

func TestUsersOverGRPC(t *testing.T) {
	t.Parallel()
	r := dial(t, start(t, migrated(t).settings), "orders.v1.UserService")
	create, get, update := "orders.v1.UserService.CreateUser", "orders.v1.UserService.GetUser", "orders.v1.UserService.UpdateUser"

	user := r.must(create, "user", object{"email": "ada@example.com", "name": "Ada"})
	if got := r.must(get, "user", object{"id": user["id"]}); got["name"] != "Ada" || got["version"] != "1" {
		t.Errorf("user = %v", got)
	}
	change := object{"id": user["id"], "version": "1", "email": "ada@example.com", "name": "Ada L"}
	if got := r.must(update, "user", change); got["name"] != "Ada L" || got["version"] != "2" {
		t.Errorf("user = %v", got)
	}
	r.wantCode(codes.Aborted, update, change)
	detail := r.wantCode(codes.AlreadyExists, create, object{"email": "ada@example.com", "name": "Eve"})
	if info, ok := detail.(*errdetails.ErrorInfo); !ok || info.GetReason() != "email_taken" {
		t.Errorf("detail = %v", detail)
	}
	r.wantCode(codes.NotFound, get, object{"id": "00000000-0000-7000-8000-000000000000"})
	detail = r.wantCode(codes.InvalidArgument, create, object{"email": "nobody"})
	var fields []string
	if bad, ok := detail.(*errdetails.BadRequest); ok {
		for _, v := range bad.GetFieldViolations() {
			fields = append(fields, v.GetField())
		}
	}
	if !slices.Contains(fields, "email") || !slices.Contains(fields, "name") {
		t.Errorf("violations of %v, want email and name", fields)
	}
}

func TestOrdersOverGRPC(t *testing.T) {
	t.Parallel()
	p := start(t, migrated(t).settings)
	r := dial(t, p, "orders.v1.OrderService")
	user := p.createUser("ada") // both APIs see the same
	line := object{"sku": "tea-1", "quantity": 2, "unitPrice": "499"}
	var want []any
	for range 3 {
		order := r.must("orders.v1.OrderService.PlaceOrder", "order",
			object{"userId": user["id"], "currency": "EUR", "lines": []object{line}})
		want = append(want, order["id"])
	}
	change := object{"id": want[0], "status": "ORDER_STATUS_SHIPPED"}
	r.wantCode(codes.FailedPrecondition, "orders.v1.OrderService.ChangeOrderStatus", change)
	change["status"] = "ORDER_STATUS_PAID"
	r.must("orders.v1.OrderService.ChangeOrderStatus", "order", change)
	if got := r.must("orders.v1.OrderService.GetOrder", "order", object{"id": want[0]}); got["status"] != "ORDER_STATUS_PAID" {
		t.Errorf("order = %v", got)
	}

	var got []any
	for token, more := any(""), true; more; {
		page, err := r.call("orders.v1.OrderService.ListOrders", object{"userId": user["id"], "pageSize": 2, "pageToken": token})
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range page["orders"].([]any) {
			got = append(got, order.(map[string]any)["id"])
		}
		token, more = page["nextPageToken"]
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages with %v, want %v", got, want)
	}

	health, err := healthpb.NewHealthClient(r.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health = %v, %v", health, err)
	}
}
