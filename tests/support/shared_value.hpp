// Memory that this process and its children share: for what only the child can see.
#pragma once

#include <sys/mman.h>

#include <new>

#include "tenon/error.hpp"

namespace tenon::test {

template <typename T>
class SharedValue {
  public:
    SharedValue() {
        void* const memory =
            ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        check(memory == MAP_FAILED ? -1 : 0, "mmap");
        value_ = new (memory) T{};
    }
    SharedValue(const SharedValue&) = delete;
    SharedValue& operator=(const SharedValue&) = delete;
    ~SharedValue() { ::munmap(value_, sizeof(T)); }
    T& operator*() const { return *value_; }
    T* operator->() const { return value_; }

  private:
    T* value_ = nullptr;
};

}  // namespace tenon::test
