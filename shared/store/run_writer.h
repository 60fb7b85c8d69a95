#pragma once
/* Where the writes of a worker's runs pass through: one per process, shared by all its fibers. */

#include "shared/base/compiler.h"

struct pg;

struct run_writer;

/* Borrows `pg`. Free it before the pg is closed, when nobody writes any more. */
struct run_writer *run_writer_new(struct pg *pg);
SUSPENDS void run_writer_free(struct run_writer *writer); /* accepts NULL */
