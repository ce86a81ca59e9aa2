from vital.backends.prompts import question, simplification


def test_the_question_holds_every_caption_on_a_line_of_its_own():
    (message,) = question(["a red cube", "a sphere\non   sand {count}"], 3)
    assert message["role"] == "user"
    assert "\n- a red cube\n- a sphere on sand {count}\n" in message["content"]
    assert "up to 3 different" in message["content"]


def test_a_caption_is_shortened_on_a_line_of_its_own():
    (message,) = simplification("a red\n cube  {caption}")
    assert message["role"] == "user"
    assert message["content"].endswith("\nCaption: a red cube {caption}\nPhrase:")
