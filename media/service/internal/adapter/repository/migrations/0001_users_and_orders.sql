CREATE TABLE users (
    id          uuid PRIMARY KEY,
    email       text NOT NULL,
    name        text NOT NULL,
    open_orders integer NOT NULL CHECK (open_orders >= 0),
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT users_email_key UNIQUE (email)
);

CREATE TABLE orders (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    status     text NOT NULL,
    currency   text NOT NULL,
    total      bigint NOT NULL CHECK (total >= 0),
    lines      jsonb NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

-- Serves both the foreign key and the pages of one user's orders.
CREATE INDEX orders_user_id_id_idx ON orders (user_id, id);
