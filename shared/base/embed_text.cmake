# Writes a C file that holds a text file as NAME[] and NAME_bytes: cmake -DIN=… -DOUT=… -DNAME=… -P this.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" length)
math(EXPR bytes "${length} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
get_filename_component(file ${IN} NAME)
file(WRITE ${OUT} "/* Generated from ${file} by shared/base/embed_text.cmake. */

#include <stddef.h>

extern const char ${NAME}[];
extern const size_t ${NAME}_bytes;

const char ${NAME}[] = {${hex}0};
const size_t ${NAME}_bytes = ${bytes};
")
