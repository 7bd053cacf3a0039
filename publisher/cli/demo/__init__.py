"""`publisher demo`: sends a sample through the whole service, and checks what comes out."""
