"""Ridge from sufficient statistics: Gram matrices, an eigenproblem for every fold."""
