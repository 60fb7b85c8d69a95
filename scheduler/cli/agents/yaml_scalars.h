#pragma once
/* What plain scalars of a YAML file mean, beside what shared/yaml says. Pure. */

#include "shared/base/text.h"

/* "010", "+7": a number, but which one depends on who reads it. */
bool yaml_is_doubtful(struct text text);

/* A number as JSON writes it, and finite. */
MUSTCHECK bool yaml_number(struct text text, double *out);
