// What the commands do to files: an input is never overwritten, an output is whole or not there.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "tool.h"

namespace simdrope::test {
namespace {

namespace fs = std::filesystem;

size_t FilesIn(const std::string& path) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

std::string WriteModel(const std::string& path, int layers, int64_t hidden) {
  io::Array rows = io::Array::zeros(io::ElementType::bf16, {64, hidden});
  std::vector<io::NamedArray> entries;
  for (int i = 0; i < layers; ++i) {
    for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
      entries.push_back({"model.layers." + std::to_string(i) + ".self_attn." + name + ".weight", rows.type, rows.shape,
                         rows.bytes.data(), rows.bytes.size()});
    }
  }
  for (size_t i = 0; i < rows.bytes.size(); ++i) rows.bytes[i] = static_cast<std::byte>((i * 131 + i / 251) & 0xff);
  REQUIRE(io::write_safetensors(path, entries).ok());
  return path;
}

Arguments Permute(const std::string& from, const std::string& to) {
  return {"permute", "--from",  "interleaved", "--to",       "half", from,         "--out",
          to,        "--heads", "4",           "--kv-heads", "4",    "--head-dim", "16"};
}

TEST_CASE("no command overwrites what it reads") {
  const Folder folder;
  WriteFloats(folder / "q.npy", {1, 2, 1, 4}, Noise(8, 1));
  WriteIds(folder / "cos.npy", {2}, {0, 1});
  WriteText(folder / "config.json", kLlama31);
  const std::string model = WriteModel(folder / "model.safetensors", 1, 2);
  fs::create_symlink("q.npy", folder / "link.npy");
  fs::create_hard_link(folder / "q.npy", folder / "hard.npy");
  {
    const auto file = io::read_npy(folder / "q.npy");
    REQUIRE(io::write_safetensors(folder / "acts.safetensors",
                                  {{"q", file->type, file->shape, file->bytes.data(), file->bytes.size()},
                                   {"other", file->type, file->shape, file->bytes.data(), file->bytes.size()}})
                .ok());
  }
  const std::string here = folder / ".";
  const std::vector<Arguments> calls = {
      {"rotate", "--q", folder / "q.npy", "--out", here},
      {"rotate", "--q", folder / "link.npy", "--out", here},
      {"rotate", "--q", folder / "hard.npy", "--out", here},
      {"rotate", "--q", folder / "acts.safetensors:q", "--out", folder / "acts.safetensors"},
      {"rotate", "--q", folder / "acts.safetensors:q", "--out", folder / "./acts.safetensors"},
      {"rotate", "--q", folder / "acts.safetensors:q", "--expect-q", folder / "q.npy", "--out", here},
      {"rotate", "--q", folder / "acts.safetensors:q", "--positions", folder / "q.npy", "--out", here},
      {"cossin", "--head-dim", "8", "--positions", folder / "cos.npy", "--out", here},
      {"freqs", "--config", folder / "config.json", "--plot", folder / "config.json"},
      {"freqs", "--head-dim", "8", "--compare", folder / "config.json", "--plot", folder / "config.json"},
      Permute(model, model),
      {"permute", "--from", "half", "--to", "interleaved", "--config", folder / "config.json", model, "--out",
       folder / "config.json"},
  };
  std::vector<std::pair<std::string, std::string>> before;
  for (const fs::directory_entry& entry : fs::directory_iterator(here)) {
    before.emplace_back(entry.path().string(), ReadText(entry.path().string()));
  }
  REQUIRE(before.size() == 7);
  for (const Arguments& call : calls) {
    CAPTURE(call);
    CheckFails(Run(call), {call[0] == "freqs" ? "--plot" : "--out", "is read as"});
    CHECK(FilesIn(here) == before.size());
    for (const auto& [path, text] : before) CHECK(ReadText(path) == text);
  }
}

TEST_CASE("a failed command leaves the old output as it was") {
  const Folder folder;
  const std::string model = WriteModel(folder / "model.safetensors", 2, 64);
  WriteText(folder / "out.safetensors", "old");
  const Outcome outcome = Run(Permute(model, folder / "out.safetensors"), {}, 4096);
  CHECK(outcome.code == 2);
  CHECK(outcome.err.find("--out") != std::string::npos);
  CHECK(outcome.err.find("File too large") != std::string::npos);
  CHECK(ReadText(folder / "out.safetensors") == "old");
  CHECK(FilesIn(folder / ".") == 2);

  fs::create_symlink("out.safetensors", folder / "link.safetensors");
  CheckFails(Run(Permute(model, folder / "link.safetensors")), {"--out", "symbolic link"});
  CheckFails(Run(Permute(model, "/dev/null")), {"--out", "not a regular file"});
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(ReadText(folder / "out.safetensors") == "old");
}

TEST_CASE("an output keeps the permissions of the file that it replaces") {
  const Folder folder;
  const std::string model = WriteModel(folder / "model.safetensors", 1, 2);
  WriteText(folder / "out.safetensors", "old");
  REQUIRE(chmod((folder / "out.safetensors").c_str(), 0600) == 0);
  REQUIRE(Run(Permute(model, folder / "out.safetensors")).code == 0);
  CHECK(fs::status(folder / "out.safetensors").permissions() == fs::perms(0600));
}

TEST_CASE("two permutes to one output: one writes all of it, another is refused or comes after") {
  const Folder folder;
  const std::string model = WriteModel(folder / "model.safetensors", 16, 256);
  REQUIRE(Run(Permute(model, folder / "one.safetensors")).code == 0);
  const std::string expected = ReadText(folder / "one.safetensors");
  for (int round = 0; round < 5; ++round) {
    std::vector<Started> running;
    for (int i = 0; i < 3; ++i) running.push_back(Start(Permute(model, folder / "out.safetensors")));
    int written = 0;
    for (const Started& one : running) {
      const Outcome outcome = Finish(one);
      if (outcome.code == 0) {
        ++written;
      } else {
        CheckFails(outcome, {"--out", "another writer"});
      }
    }
    CHECK(written >= 1);
    CHECK(ReadText(folder / "out.safetensors") == expected);
    CHECK(FilesIn(folder / ".") == 3);
  }
}

TEST_CASE("SIGTERM at any moment leaves the old file or the new one, and nothing else") {
  const Folder folder;
  const std::string model = WriteModel(folder / "model.safetensors", 16, 512);
  WriteFloats(folder / "q.npy", {1, 512, 8, 64}, Noise(512 * 8 * 64, 1));
  struct Job {
    Arguments call;
    std::string out, expected;
  };
  fs::create_directory(folder / "out");
  Job jobs[] = {{Permute(model, folder / "out/a.safetensors"), folder / "out/a.safetensors", ""},
                {{"rotate", "--q", folder / "q.npy", "--out", folder / "out"}, folder / "out/q.npy", ""}};
  int killed = 0, finished = 0;
  for (Job& job : jobs) {
    REQUIRE(Run(job.call).code == 0);
    job.expected = ReadText(job.out);
    for (int round = 0; round < 40; ++round) {
      WriteText(job.out, "old");
      const Started one = Start(job.call);
      usleep(static_cast<useconds_t>(round) * 700);
      kill(one.process, SIGTERM);
      const Outcome outcome = Finish(one);
      const std::string now = ReadText(job.out);
      const bool is_new = now == job.expected;
      CHECK((is_new || now == "old"));
      if (outcome.code == 0) CHECK(is_new);
      ++(outcome.code == 0 ? finished : killed);
      CHECK(FilesIn(folder / "out") == (&job == jobs ? 1u : 2u));
    }
  }
  CHECK(killed > 0);
  CHECK(killed + finished == 80);
}

}  // namespace
}  // namespace simdrope::test
