# Writes a C file that holds migrations/NNNN_name.sql, in order: cmake -DDIR=… -DOUT=… -P this.
file(GLOB files ${DIR}/*.sql)
list(SORT files)
set(texts "")
set(rows "")
set(last 0)
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)$")
        message(FATAL_ERROR "${file}: a migration is named NNNN_name.sql")
    endif()
    set(digits ${CMAKE_MATCH_1})
    set(word ${CMAKE_MATCH_2})
    math(EXPR last "${last} + 1")
    math(EXPR version "1${digits} - 10000")
    if(NOT version EQUAL last)
        message(FATAL_ERROR "${file}: expected number ${last}; they have no gaps and no doubles")
    endif()
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" length)
    math(EXPR bytes "${length} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND texts "static const unsigned char sql_${digits}[] = {${hex}0};\n")
    string(APPEND rows "    {${version}, \"${word}\", (const char *)sql_${digits}, ${bytes}},\n")
endforeach()
file(WRITE ${OUT} "/* Generated from migrations/ by shared/store/embed_migrations.cmake. */

#include \"shared/store/migrate.h\"

${texts}
const struct migration migrations_embedded[] = {
${rows}};

const size_t migrations_embedded_count = ${last};
")
