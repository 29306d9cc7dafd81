# tenon_chapter(NN slug EXERCISES a b .. GIVEN src/x.cpp .. DEPENDS MM .. [LIBRARIES l ..] [DYNAMIC])
#
# Makes of the folder chapters/NN-slug
#   library  tenon_chNN  the given sources and, per exercise, the reference or the lab's file
#   program  chNN        from main.cpp, when there is one
#   target   attacks     gains each attack/*.cpp as <build>/attack/NN-slug/<name>
# and remembers for --version where each exercise came from.
# LIBRARIES are what the chapter stands on besides Tenon. DYNAMIC: one of them, or of an earlier
# chapter's, exists as a shared library only, so the program is never static.
include_guard()

set(TENON_IMPL ref CACHE STRING "implementation of the exercises: ref or lab")
set(TENON_LAB_EXERCISES "" CACHE STRING "exercises from the lab, as NN/name;..")
set(TENON_LAB_DIR ${CMAKE_SOURCE_DIR}/labs CACHE PATH "where the lab's files lie")
set_property(CACHE TENON_IMPL PROPERTY STRINGS ref lab)
define_property(GLOBAL PROPERTY TENON_PROVENANCE BRIEF_DOCS "NN/exercise=origin" FULL_DOCS "list")

add_custom_target(stages)
add_custom_target(attacks)

function(tenon_chapter NN SLUG)
    cmake_parse_arguments(ARG "DYNAMIC" "" "EXERCISES;GIVEN;DEPENDS;LIBRARIES" ${ARGN})
    set(library tenon_ch${NN})
    add_library(${library} STATIC ${ARG_GIVEN})
    target_include_directories(${library} PUBLIC include PRIVATE src)
    target_link_libraries(${library} PUBLIC tenon_common
                                     PRIVATE tenon_warnings ${ARG_LIBRARIES})
    if(TENON_PCH)
        tenon_precompile(${library} tenon_common)
    endif()
    foreach(earlier IN LISTS ARG_DEPENDS)
        target_link_libraries(${library} PUBLIC tenon_ch${earlier})
    endforeach()
    foreach(exercise IN LISTS ARG_EXERCISES)
        tenon_add_exercise(${library} ${NN} ${SLUG} ${exercise})
    endforeach()
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
        tenon_add_stage(${NN} ${library})
        if(TENON_STATIC AND NOT ARG_DYNAMIC)
            target_link_options(ch${NN} PRIVATE -static)
        endif()
    endif()
    tenon_add_attacks(${NN}-${SLUG})
endfunction()

# ref or lab: the exercise's own entry, then the chapter's, then the course's.
function(tenon_implementation NN EXERCISE OUT)
    set(choice ${TENON_IMPL})
    if(DEFINED TENON_IMPL_${NN})
        set(choice ${TENON_IMPL_${NN}})
    endif()
    if("${NN}/${EXERCISE}" IN_LIST TENON_LAB_EXERCISES)
        set(choice lab)
    endif()
    if(NOT choice MATCHES "^(ref|lab)$")
        message(FATAL_ERROR "TENON_IMPL for ${NN}/${EXERCISE} is '${choice}': use ref or lab")
    endif()
    set(${OUT} ${choice} PARENT_SCOPE)
endfunction()

# The source file of an exercise, and where it comes from: reference or lab.
function(tenon_exercise_file NN SLUG EXERCISE OUT_FILE OUT_ORIGIN)
    tenon_implementation(${NN} ${EXERCISE} choice)
    set(origin reference)
    set(file ${CMAKE_SOURCE_DIR}/solutions/${NN}-${SLUG}/${EXERCISE}.cpp)
    if(choice STREQUAL lab)
        set(origin lab)
        set(file ${TENON_LAB_DIR}/${NN}-${SLUG}/${EXERCISE}.cpp)
    endif()
    if(NOT EXISTS ${file})
        message(FATAL_ERROR "exercise ${NN}/${EXERCISE}: ${file} is missing")
    endif()
    set(${OUT_FILE} ${file} PARENT_SCOPE)
    set(${OUT_ORIGIN} ${origin} PARENT_SCOPE)
endfunction()

function(tenon_add_exercise LIBRARY NN SLUG EXERCISE)
    tenon_exercise_file(${NN} ${SLUG} ${EXERCISE} file origin)
    if(origin STREQUAL lab)
        # A starter does not use its parameters yet, nor the includes' static helpers.
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
            "$<$<CONFIG:RelWithDebInfo>:-g>;-Wno-unused-parameter;-Wno-unused-function;-Wno-unused-variable;-Wno-unused-const-variable")
    endif()
    target_sources(${LIBRARY} PRIVATE ${file})
    set_property(GLOBAL APPEND PROPERTY TENON_PROVENANCE "${NN}/${EXERCISE}=${origin}")
endfunction()

function(tenon_add_stage NN LIBRARY)
    add_executable(ch${NN} main.cpp)
    target_link_libraries(ch${NN} PRIVATE ${LIBRARY} tenon_provenance tenon_warnings)
    add_dependencies(stages ch${NN})
    # A chapter's own: what a learner gets of it. Chapters after 07 have its init, too.
    add_custom_target(programs_ch${NN} DEPENDS ch${NN})
    if(TARGET tenon-init)
        add_dependencies(programs_ch${NN} tenon-init)
    endif()
endfunction()

# An attack stands alone: it includes nothing of Tenon, like an attacker's program.
function(tenon_add_attacks CHAPTER)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/attack/*.cpp)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        set(target attack_${CHAPTER}_${name})
        add_executable(${target} ${source})
        set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/attack/${CHAPTER})
        target_link_libraries(${target} PRIVATE tenon_warnings)
        # Static: an attack must run inside a root file system that has no C library. The
        # sanitizers' runtime cannot be linked so, and has nothing to look for in an attacker.
        target_compile_options(${target} PRIVATE -fno-sanitize=all)
        target_link_options(${target} PRIVATE -fno-sanitize=all -static)
        add_dependencies(attacks ${target})
    endforeach()
endfunction()

# Called once, after all chapters: writes the table that --version prints.
function(tenon_write_provenance)
    get_property(entries GLOBAL PROPERTY TENON_PROVENANCE)
    set(TENON_PROVENANCE_ROWS "")
    foreach(entry IN LISTS entries)
        string(REPLACE "=" "\", \"" row ${entry})
        string(APPEND TENON_PROVENANCE_ROWS "    Provenance{\"${row}\"},\n")
    endforeach()
    configure_file(${CMAKE_SOURCE_DIR}/common/cmake/provenance.cpp.in
                   ${CMAKE_BINARY_DIR}/provenance.cpp @ONLY)
    add_library(tenon_provenance STATIC ${CMAKE_BINARY_DIR}/provenance.cpp)
    target_link_libraries(tenon_provenance PUBLIC tenon_common PRIVATE tenon_warnings)
endfunction()
