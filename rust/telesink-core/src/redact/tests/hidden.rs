//! What the built-in rules hide in a text.

use super::{assert_redacted, redacted};
use crate::redact::REDACTED;

#[test]
fn every_keyword_hides_what_follows_it() {
    assert_redacted(&[
        ("password=hunter2", "password=*"),
        ("PASSWORD: hunter2 for bob", "PASSWORD: * for bob"),
        ("db_passwd=x y", "db_passwd=* y"),
        ("secret = x", "secret = *"),
        ("client_secrets: x", "client_secrets: *"),
        ("api_key=x", "api_key=*"),
        ("x-api-key: x", "x-api-key: *"),
        ("apiKey=x", "apiKey=*"),
        ("API key: x", "API key: *"),
        ("api_keys=x", "api_keys=*"),
        ("AWS_SECRET_ACCESS_KEY=x", "AWS_SECRET_ACCESS_KEY=*"),
        ("private_key:x", "private_key:*"),
        ("token=x", "token=*"),
        ("auth token: x", "auth token: *"),
        ("auth-token: x", "auth-token: *"),
        ("credential=x", "credential=*"),
        ("credentials: x", "credentials: *"),
        ("bearer: x", "bearer: *"),
    ]);
}

#[test]
fn authorization_hides_one_or_two_words() {
    assert_redacted(&[
        ("Authorization: Basic dXNlcjpw next", "Authorization: * next"),
        ("authorization: Bearer abc", "authorization: *"),
        ("authorization: Bearer Bearer abc next", "authorization: * next"),
        ("AUTHORIZATION=abc user=bob", "AUTHORIZATION=* user=bob"),
        ("Authorization=Bearer abc user=bob", "Authorization=* user=bob"),
        ("Authorization: Custom abc, Accept: x", "Authorization: *, Accept: x"),
        ("Authorization: abc, Accept: x", "Authorization: *, Accept: x"),
        ("Authorization: abc\nAccept: x", "Authorization: *\nAccept: x"),
        ("curl -H 'Authorization: Bearer abc' http://x/", "curl -H 'Authorization: *' http://x/"),
        ("{'Authorization': 'Basic abc', 'Accept': 'x'}", "{'Authorization': '*', 'Accept': 'x'}"),
        ("Proxy-Authorization: Basic abc", "Proxy-Authorization: *"),
    ]);
}

#[test]
fn a_cookie_header_hides_all_its_pairs() {
    assert_redacted(&[
        ("Cookie: sessionid=abc; theme=dark", "Cookie: *"),
        ("cookie: a=b; c=d, Accept: x", "cookie: *, Accept: x"),
        ("Cookie: a=b;c=d;\r\nAccept: x", "Cookie: *;\r\nAccept: x"),
        ("Set-Cookie: id=abc; HttpOnly; Path=/\nAge: 3", "Set-Cookie: *\nAge: 3"),
        ("curl -H 'Cookie: a=b; c=d' http://x/", "curl -H 'Cookie: *' http://x/"),
        ("{'Cookie': 'a=b; c=d', 'Accept': 'x'}", "{'Cookie': '*', 'Accept': 'x'}"),
        ("cookie=abc; user=bob", "cookie=*; user=bob"),
        ("1 2=3 4=5 Cookie: a=b; c=d", "1 2=3 4=5 Cookie: *"),
        ("cookies: 3", "cookies: 3"),
    ]);
}

#[test]
fn csrf_and_credit_card_hide_what_follows_them() {
    assert_redacted(&[
        ("csrf=abc", "csrf=*"),
        ("X-CSRF: abc", "X-CSRF: *"),
        ("a=1 b=2 c=3 csrf=abc", "a=1 b=2 c=3 csrf=*"),
        ("credit_card=4111111111111111", "credit_card=*"),
        ("credit card: 4111 1111 1111 1111 exp 12/30", "credit card: * exp 12/30"),
        ("creditCardNumber: 4111-1111-1111-1111", "creditCardNumber: *"),
        ("credit_card_number=4111", "credit_card_number=*"),
        ("card: 7 number: 8 phone_number=9", "card: 7 number: 8 phone_number=9"),
    ]);
}

#[test]
fn bearer_hides_the_word_after_it() {
    assert_redacted(&[
        ("sent Bearer abc.def-g now", "sent Bearer * now"),
        ("bEaReR   abc", "bEaReR   *"),
        ("Bearer\tabc", "Bearer\t*"),
        ("Bearer a Bearer b", "Bearer * Bearer *"),
        ("(b'authorization', b'Bearer abc')", "(b'authorization', b'Bearer *')"),
        ("Bearer token: abc", "Bearer *: *"),
        ("token=Bearer abc", "token=*"),
    ]);
    for padding in 0..150 {
        let text = format!("{}Bearer abc", "r".repeat(padding));
        assert_eq!(text.replace("abc", REDACTED), redacted(&text));
    }
}

#[test]
fn a_secret_is_found_at_every_place_of_texts_of_every_length() {
    for length in 0..300 {
        let fill = "x".repeat(length);
        assert_redacted(&[
            (&format!("{fill} token=abc"), &format!("{fill} token=[REDACTED]")),
            (&format!("token:abc {fill}"), &format!("token:[REDACTED] {fill}")),
            (&format!("{fill} Bearer\tabc"), &format!("{fill} Bearer\t[REDACTED]")),
            (&format!("{fill} bearer abc {fill}"), &format!("{fill} bearer [REDACTED] {fill}")),
        ]);
    }
}

#[test]
fn quoted_keys_and_values_lose_their_content_only() {
    assert_redacted(&[
        (r#"{"password": "x y", "user": "bob"}"#, r#"{"password": "*", "user": "bob"}"#),
        (r#"{"password":"x","n":1}"#, r#"{"password":"*","n":1}"#),
        (r#"{"password":" x","n":1}"#, r#"{"password":"*","n":1}"#),
        (r#"{"password": "a\"b, c\\", "n": 1}"#, r#"{"password": "*", "n": 1}"#),
        (r#""{\"password\": \"a \\\" b\", \"n\": 1}""#, r#""{\"password\": \"*\", \"n\": 1}""#),
        ("{'token': 'x y'}", "{'token': '*'}"),
        ("{'token': b'x y', 'n': 1}", "{'token': *, 'n': 1}"),
        ("password='x y' user=bob", "password='*' user=bob"),
        ("password = \"x y\"", "password = \"*\""),
        ("password=\" x\" user=bob", "password=\"*\" user=bob"),
        ("environ['API_KEY'] = 'x'", "environ['API_KEY'] = '*'"),
        ("user[password]=x", "user[password]=*"),
        (r#""password"=>"x""#, r#""password"=>"*""#),
        ("password := x", "password := *"),
    ]);
}

#[test]
fn a_bare_value_ends_before_what_belongs_to_the_sentence() {
    assert_redacted(&[
        ("User(name='bob', password=abc)", "User(name='bob', password=*)"),
        ("/login?token=abc&next=/home", "/login?token=*&next=/home"),
        ("a=1;password=abc;b=2", "a=1;password=*;b=2"),
        ("{password: abc}", "{password: *}"),
        (r#"{"q":"password=abc","n":1}"#, r#"{"q":"password=*","n":1}"#),
        ("password=p@ss:w)rd!x now", "password=* now"),
    ]);
}

#[test]
fn a_bracketed_value_is_hidden_whole() {
    assert_redacted(&[
        (r#"{"tokens": ["a", "b]"], "n": 1}"#, r#"{"tokens": *, "n": 1}"#),
        ("credentials={'user': 'x', 'key': ('y',)} done", "credentials=* done"),
        ("secret: {a {b} c", "secret: *"),
    ]);
}

#[test]
fn a_value_cut_in_the_middle_is_hidden_to_the_end() {
    assert_redacted(&[("{\"password\": \"x y", "{\"password\": \"*"), ("token=b'x y", "token=*")]);
}

#[test]
fn the_password_of_a_url_is_hidden() {
    assert_redacted(&[
        ("postgresql://app:s3cret@db:5432/app?x=1", "postgresql://app:*@db:5432/app?x=1"),
        ("redis://:pw@h", "redis://:*@h"),
        ("amqp://a:p@w:x@h/ and http://b:q@i", "amqp://a:*@h/ and http://b:*@i"),
        ("redis://a:b@h,redis://c:d@i", "redis://a:*@h,redis://c:*@i"),
        ("dsn 'mysql+driver://u:é€@h/'", "dsn 'mysql+driver://u:*@h/'"),
        ("secret://password:x@h", "secret://password:*@h"),
        ("jdbc:sqlserver://h:1433;password=p@ss;n=1", "jdbc:sqlserver://h:*;n=1"),
        ("mysql://h?password=abc:def@x", "mysql://h?password=*"),
    ]);
}

#[test]
fn characters_of_several_bytes_stay_whole_around_and_inside_secrets() {
    assert_redacted(&[
        ("é password=пароль€ ü", "é password=* ü"),
        ("пароль: \"x\", token=\"日本 語\"語", "пароль: \"x\", token=\"*\"語"),
        ("🦀 Bearer 🦀 🦀", "🦀 Bearer * 🦀"),
        ("é=é: secret=é", "é=é: secret=*"),
    ]);
}

#[test]
fn a_secret_behind_many_harmless_separators_is_found() {
    let harmless = "a=1 b=2 c=3 d:4 f=5 ";
    for announced in [
        "password=*",
        "Passwd: *",
        "SECRET=*",
        "credentials: *",
        "token=*",
        "api key=*",
        "Authorization: *",
        "bearer: *",
        "x://u:*@h",
        "Bearer *",
    ] {
        let text = format!("{harmless}{announced}");

        assert_eq!(text.replace('*', REDACTED), redacted(&text.replace('*', "abc")));
        assert_eq!(harmless, redacted(harmless));
    }
}

#[test]
fn a_value_that_announces_another_hides_both() {
    assert_redacted(&[
        ("Bearer password= abc", "Bearer * *"),
        ("Authorization: Basic password=\"a b\" c", "Authorization: *\" c"),
        ("token=' api-key='abc", "token='*'*"),
        ("Authorization: the api key: abc", "Authorization: * key: *"),
    ]);
}
