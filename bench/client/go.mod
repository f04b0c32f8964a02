module landfall/bench/client

go 1.21
