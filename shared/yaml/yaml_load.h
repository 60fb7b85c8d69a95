#pragma once
/* YAML from a person's file: one document of nodes, within bounds of time, depth and memory. */

#include <yaml.h>

#include "shared/base/text.h"

struct error;

#define YAML_DEPTH_MAX   64
#define YAML_NODES_MAX   500000 /* a node takes some hundred bytes */
#define YAML_ANCHORS_MAX 1000   /* libyaml compares each anchor with all before it */

/* Parses the text of the file `path` (a name for messages). An empty text is a document without a
 * root node. Returns 0 with *out, for the caller to yaml_document_delete; or -E_INVALID with file,
 * line and column, also for a second document, for what is nested deeper than YAML_DEPTH_MAX and
 * for more nodes or anchors than the limits; or -E_LIMIT without memory. */
MUSTCHECK int yaml_load(const char *path, struct text text, yaml_document_t *out,
                        struct error *err);

/* Whether a scalar is written as an integer of ours: decimal, with "-" where it is negative,
 * without leading zeros ("010" is eight to some and ten to others). *out is its value. */
MUSTCHECK bool yaml_integer(struct text scalar, int64_t *out);
