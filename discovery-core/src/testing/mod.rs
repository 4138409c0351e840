//! Shared by model tests and fuzz targets; not a stable API.
