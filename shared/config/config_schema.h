#pragma once
/* The shape of the configuration file. Private to shared/config. */

#include <cyaml/cyaml.h>

extern const cyaml_schema_value_t config_file_schema;
