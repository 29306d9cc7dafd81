#include "tenon/todo.hpp"

#include "catch.hpp"

namespace tenon::test {

TEST_CASE("TENON_TODO throws NotImplemented with its exercise") {
    try {
        TENON_TODO("01.2");
    } catch (const NotImplemented& error) {
        CHECK(error.exercise_id() == "01.2");
        return;
    }
    FAIL("nothing was thrown");
}

TEST_CASE("NotImplemented says which exercise, and what to do next") {
    const std::string text = NotImplemented("05.1").what();
    CHECK(text.starts_with("exercise 05.1 is not written yet"));
    CHECK(text.find("./course hint 05.1") != std::string::npos);
    CHECK(text.find("work/") != std::string::npos);
}

TEST_CASE("NotImplemented is no SysError: nobody asked the kernel") {
    CHECK_THROWS_AS(todo("01.1"), std::logic_error);
}

}  // namespace tenon::test
