package domain_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"example.com/shopfront/internal/domain"
)

func TestNewOrder(t *testing.T) {
	good := domain.Line{SKU: "tea-1", Quantity: 2, UnitPrice: 499}
	tests := []struct {
		name     string
		currency string
		lines    []domain.Line
		total    int64
		want     []string
	}{
		{"one line", "EUR", []domain.Line{good}, 998, nil},
		{"several lines", "JPY", []domain.Line{good, {SKU: "x", Quantity: 1, UnitPrice: 1}}, 999, nil},
		{"for free", "EUR", []domain.Line{{SKU: "x", Quantity: 1}}, 0, nil},
		{"largest total", "EUR", []domain.Line{{SKU: "x", Quantity: 1, UnitPrice: math.MaxInt64}}, math.MaxInt64, nil},
		{"product overflows", "EUR", []domain.Line{{SKU: "x", Quantity: 2, UnitPrice: math.MaxInt64}}, 0, []string{"lines[0].unit_price"}},
		{"sum overflows", "EUR", []domain.Line{good, {SKU: "x", Quantity: 1, UnitPrice: math.MaxInt64}}, 0, []string{"lines[1].unit_price"}},
		{"no lines", "EUR", nil, 0, []string{"lines"}},
		{"too many lines", "EUR", slices.Repeat([]domain.Line{good}, 101), 0, []string{"lines"}},
		{"currency", "euro", []domain.Line{good}, 0, []string{"currency"}},
		{"sku", "EUR", []domain.Line{{SKU: "a b", Quantity: 1}}, 0, []string{"lines[0].sku"}},
		{"sku too long", "EUR", []domain.Line{{SKU: strings.Repeat("a", 65), Quantity: 1}}, 0, []string{"lines[0].sku"}},
		{"no quantity", "EUR", []domain.Line{{SKU: "x"}}, 0, []string{"lines[0].quantity"}},
		{"quantity too large", "EUR", []domain.Line{{SKU: "x", Quantity: 10_001}}, 0, []string{"lines[0].quantity"}},
		{"negative price", "EUR", []domain.Line{{SKU: "x", Quantity: 1, UnitPrice: -1}}, 0, []string{"lines[0].unit_price"}},
		{"everything wrong", "", []domain.Line{{}}, 0, []string{"currency", "lines[0].sku", "lines[0].quantity"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := domain.NewOrder(domain.NewOrderID(), domain.NewUserID(), tt.currency, tt.lines, noon)
			if got := invalidFields(t, err); !slices.Equal(got, tt.want) {
				t.Fatalf("invalid fields %v, want %v", got, tt.want)
			}
			if err == nil && (o.Total != domain.Money{Amount: tt.total, Currency: tt.currency} || o.Status != domain.StatusPending) {
				t.Errorf("got total %v, status %s", o.Total, o.Status)
			}
		})
	}
}

func TestAnOrderKeepsItsOwnLines(t *testing.T) {
	lines := []domain.Line{{SKU: "x", Quantity: 1, UnitPrice: 1}}
	o, err := domain.NewOrder(domain.NewOrderID(), domain.NewUserID(), "EUR", lines, noon)
	if err != nil {
		t.Fatal(err)
	}
	lines[0].Quantity = 99
	if o.Lines[0].Quantity != 1 {
		t.Error("the caller's slice changes the order")
	}
}

func TestChangeStatus(t *testing.T) {
	all := []domain.Status{domain.StatusPending, domain.StatusPaid, domain.StatusShipped, domain.StatusCancelled}
	allowed := map[domain.Status][]domain.Status{
		domain.StatusPending: {domain.StatusPaid, domain.StatusCancelled},
		domain.StatusPaid:    {domain.StatusShipped, domain.StatusCancelled},
	}
	for _, from := range all {
		for _, to := range all {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				o := domain.Order{Status: from, UpdatedAt: noon}
				changed, err := o.ChangeStatus(to, later)
				switch {
				case from == to:
					if changed || err != nil || o.UpdatedAt != noon {
						t.Errorf("a repetition: changed %v, error %v", changed, err)
					}
				case slices.Contains(allowed[from], to):
					if !changed || err != nil || o.Status != to || o.UpdatedAt != later {
						t.Errorf("an allowed change: changed %v, error %v, order %+v", changed, err, o)
					}
				default:
					if changed || !errors.Is(err, domain.ErrStatusChange) || o.Status != from {
						t.Errorf("a forbidden change: changed %v, error %v", changed, err)
					}
				}
			})
		}
	}
}

func TestOpen(t *testing.T) {
	for status, want := range map[domain.Status]bool{
		domain.StatusPending: true, domain.StatusPaid: true,
		domain.StatusShipped: false, domain.StatusCancelled: false,
	} {
		if status.Open() != want {
			t.Errorf("%s: open is %v", status, !want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	if s, err := domain.ParseStatus("paid"); s != domain.StatusPaid || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err := domain.ParseStatus("PAID"); err == nil {
		t.Error("an unknown status was accepted")
	}
}

func TestKindOf(t *testing.T) {
	for want, err := range map[domain.Kind]error{
		domain.KindInvalid:    domain.Invalid("f", "r"),
		domain.KindNotFound:   errors.Join(errors.New("context"), domain.ErrOrderNotFound),
		domain.KindStaleWrite: domain.ErrVersionConflict,
		0:                     errors.New("disk on fire"),
	} {
		if got := domain.KindOf(err); got != want {
			t.Errorf("%v: kind %d, want %d", err, got, want)
		}
	}
}
