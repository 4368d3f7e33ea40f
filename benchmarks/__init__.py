"""Benchmarks: measured on demand, never as tests."""
