module catalogue

go 1.26
