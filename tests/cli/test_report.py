def test_runs_become_one_page(vital, pictures):
    for seed in (0, 1):
        words = ("--method", "fourier", "--steps", 2, "--size", 16, "--seed", seed, "--out", f"run{seed}")
        assert vital("render", "net.py:make", "class:bee", "3:3", *words).code == 0
    done = vital("report", "run0", "run1", "--out", "both.html", "--title", "Two seeds")
    assert done.code == 0, done.err
    assert done.out.startswith("both.html: 2 units, ")
    text = (pictures.parent / "both.html").read_text()
    assert "<title>Two seeds</title>" in text
    assert text.count('class="zoom"') == 4
    assert "class <bdi>" not in text
    assert "bee, honey bee" in text
    assert vital("report", "run0").out.startswith("run0/report.html: 2 units, ")
    alone = (pictures.parent / "run0" / "report.html").read_bytes()
    several = vital("report", "run0", "run1")
    assert (several.code, "such as 'run0/page.html'" in several.err) == (2, True)
    assert (pictures.parent / "run0" / "report.html").read_bytes() == alone


def test_what_is_no_run_is_one_sentence(vital, here):
    done = vital("report", "nowhere")
    assert (done.code, done.err) == (2, "vital: there is no run folder 'nowhere'\n")


def test_runs_become_a_site_that_is_renewed(vital, here):
    words = ("--method", "fourier", "--steps", 2, "--size", 16, "--out", "run")
    assert vital("render", "net.py:make", "class:bee", "3:3", *words).code == 0
    assert vital("report", "run", "--site", "site").out == "site/index.html: 2 units, 2 of them written\n"
    assert vital("report", "run", "--site", "site").out == "site/index.html: 2 units, 0 of them written\n"
    assert (here / "site" / "units" / "class" / "1" / "fourier-0.png").is_file()
    both = vital("report", "run", "--site", "site", "--out", "page.html")
    assert (both.code, "give one of them" in both.err) == (2, True)
    eyes = vital("report", "run", "--site", "site", "--encoder", "world")
    assert (eyes.code, "--encoder world is for one page" in eyes.err) == (2, True)
