"""The small ports: read-only for kubelets and scrapers, admin for operators."""
