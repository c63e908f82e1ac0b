module example.com/go-architect/snippets

go 1.26.0
