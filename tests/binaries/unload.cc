// The shared library can be loaded by name and unloaded again; a fork after that meets nothing of it.
#include <dlfcn.h>
#include <simdrope/simdrope.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int rounds = 0;
  for (; rounds < 3; ++rounds) {
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return std::puts(dlerror()), 1;
    simdrope_config config;
    simdrope_rope* rope = nullptr;
    const auto init = reinterpret_cast<decltype(&simdrope_config_init)>(dlsym(library, "simdrope_config_init"));
    const auto get = reinterpret_cast<decltype(&simdrope_get_rope)>(dlsym(library, "simdrope_get_rope"));
    const auto release = reinterpret_cast<decltype(&simdrope_rope_release)>(dlsym(library, "simdrope_rope_release"));
    if (init == nullptr || get == nullptr || release == nullptr) return 1;
    init(&config);
    config.head_dim = 64;
    if (get(&config, &rope) != SIMDROPE_OK) return 1;
    release(rope);
    if (dlclose(library) != 0) return std::puts(dlerror()), 1;
    if (dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != nullptr) return std::puts("still loaded"), 1;
    const pid_t child = fork();
    if (child == 0) _exit(0);
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) return std::puts("the child failed"), 1;
  }
  return rounds == 3 ? 0 : 1;
}
