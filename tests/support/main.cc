#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

namespace {

// A run without cases, or a case without assertions, shows nothing: it fails.
struct Counts : doctest::IReporter {
  inline static bool empty = false;
  const doctest::TestCaseData* current = nullptr;

  explicit Counts(const doctest::ContextOptions&) {}
  void test_case_start(const doctest::TestCaseData& test) override { current = &test; }
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (stats.numAssertsCurrentTest > 0) return;
    std::printf("test case without assertions: %s\n", current->m_name);
    empty = true;
  }
  void test_run_end(const doctest::TestRunStats& stats) override {
    if (stats.numTestCasesPassingFilters == 0) empty = true;
  }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("counts", 1, Counts);

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int result = context.run();
  if (context.shouldExit()) return result;
  return result != 0 || Counts::empty ? 1 : 0;
}
