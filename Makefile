# Plaza 商圈通. Every target sets up what is missing first; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
LOCKS := requirements/base.txt requirements/lab.txt requirements/dev.txt
READY := .venv/ready
PLAZA := $(BIN)/plaza

PG ?= 18
T ?= tests
N ?= 2000
CASES ?= 20000


.DEFAULT_GOAL := help
.PHONY: help setup run test vendor coverage fuzz check lint types format contracts bench replay audit migration lock clean

help: ## 列出所有命令 / list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY) ## 虚拟环境、锁定的依赖、密钥 / virtual environment, locked dependencies, keys
	@$(PLAZA) setup

run: $(READY) ## 启动全部服务（Ctrl-C 停止） / start everything; Ctrl-C stops it
	@exec $(PLAZA) up --with-parent

test: $(READY) ## 全部测试：make test T=tests/ledger PG=16 / all tests, in parallel
	@PLAZA_TEST_PG=$(PG) $(BIN)/pytest -n auto --dist worksteal $(ONLY) $(T)

vendor: $(READY) ## 文档页面与命令，需 chromium、curl、openssl / the documents in a browser and a shell
	@PLAZA_TEST_PG=$(PG) $(BIN)/pytest -m vendor tests/app/api/reading tests/docs

coverage: $(READY) ## 全部测试与分支覆盖率 / all tests, and the branches that they take
	@PLAZA_TEST_PG=$(PG) $(BIN)/pytest -n auto --dist worksteal --cov --cov-report=term

fuzz: $(READY) ## 按接口描述随机请求：make fuzz CASES=20000 / fuzz the API by its description
	@PLAZA_TEST_PG=$(PG) PLAZA_TEST_CASES=$(CASES) $(BIN)/pytest -s tests/fuzz

check: lint types ## CI 的全部检查 / all that CI checks
	@$(MAKE) --no-print-directory test PG=16 ONLY=--on-postgres
	@$(MAKE) --no-print-directory coverage PG=18

lint: $(READY) ## ruff 与导入约定 / ruff and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYTHONPATH=.:clients/python $(BIN)/lint-imports

types: $(READY) ## mypy --strict
	@$(BIN)/mypy

format: $(READY) ## 自动修复格式 / repair what can be repaired
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/ruff format .

bench: $(READY) ## 性能测量 / measure the speed
	@$(PLAZA) bench

replay: $(READY) ## 回放公开零售数据：make replay N=155848 / replay the public data set
	@$(PLAZA) replay --baskets $(N)

audit: $(READY) ## 核对账目 / prove the books
	@$(PLAZA) audit

migration: $(READY) ## 起草迁移：make migration m="add tier to member" / draft a migration
	@$(BIN)/python -m migrations.draft "$(m)"

lock: $(READY) ## 重新锁定依赖 / lock the dependencies anew
	@for part in base lab dev; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --no-emit-find-links \
	    requirements/$$part.in -o requirements/$$part.txt || exit 1; done

clean: ## 删除虚拟环境与缓存，保留数据 / remove environment and caches, keep the data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache

$(READY): $(LOCKS) Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "需要 Python 3.11 或更新：make PYTHON=python3.11 … / Python 3.11 or newer is needed"; exit 1; }
	@echo "正在准备虚拟环境 / preparing the virtual environment (.venv)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "无法创建虚拟环境，请先安装 / cannot make it; first: apt install python3-venv"; exit 1; }
	@echo "正在安装依赖 / installing dependencies"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps \
	  --only-binary :all: $(foreach lock,$(LOCKS),-r $(lock))
	@$(BIN)/python -c 'import pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "plaza.pth").write_text(f"{pathlib.Path.cwd()}\n{pathlib.Path.cwd()}/clients/python\n")'
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -P -m app.cli "$$@"\n' > $(PLAZA)
	@chmod +x $(PLAZA)
	@touch $(READY)
