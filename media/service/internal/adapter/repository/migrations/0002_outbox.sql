-- Events that wait to be published. Rows leave the table once they are sent.
CREATE TABLE outbox (
    sequence      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            uuid NOT NULL UNIQUE,
    type          text NOT NULL,
    order_id      uuid NOT NULL,
    user_id       uuid NOT NULL,
    status        text NOT NULL,
    currency      text NOT NULL,
    total         bigint NOT NULL,
    occurred_at   timestamptz NOT NULL,
    trace_context jsonb, -- headers of the request that caused the event
    leased_until  timestamptz
);

CREATE INDEX outbox_order_id_sequence_idx ON outbox (order_id, sequence);
